"""The orchestration doors: one Prefect flow a verb of the path, in the order of the data."""
