"""Masks put right in the browser: the page, the server that writes, the case that is open."""
