"""cvapps tests: mirrors cvapps/ and pipelines/; contract/ holds the properties over the whole registry."""
