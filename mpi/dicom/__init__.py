"""The DICOM door: reading files and discs."""
