"""The engine for a notebook: any network, any data set, no configs, and no files."""
