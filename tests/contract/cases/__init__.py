"""One module a detector, named as it is: a `CASE` as `tests.contract.detector_cases` asks for."""
