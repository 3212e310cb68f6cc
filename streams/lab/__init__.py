"""The lab: labelled, seeded scenarios played through the very fold, measured beside baselines."""
