"""A person's own scan: reading TIF slices, NIfTI and DICOM into one axial stack, and masks back into their geometry."""
