"""What the commands of ``hki`` print: bars, tables, one clear message for what a caller got wrong."""
