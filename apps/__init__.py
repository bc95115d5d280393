"""The commands, one a file: flags in, one call into the library, a summary out."""
