"""brainseg: brain MRI of lower-grade glioma to trustworthy tumour masks, reproducibly."""

__version__ = "0.1.0"
