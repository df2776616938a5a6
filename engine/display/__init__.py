"""How objects show themselves: text for print, HTML for a notebook."""
