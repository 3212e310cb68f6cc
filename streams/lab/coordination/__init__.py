"""The lab of coordination: planted campaigns and hard negatives, public methods beside ours."""
