"""From one scan to a tumour mask on the scan's own grid, with what is doubtful about it."""
