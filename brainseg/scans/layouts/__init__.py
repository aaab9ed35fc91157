"""How the files of patients lie on a disk: datasets and cohorts, a file for each layout."""
