"""One result in the browser: the scan with its mask as slices and in 3-D, served to this machine alone."""
