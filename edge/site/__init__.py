"""The documentation: pages in every language, examples that the tests run, an OpenAPI document."""
