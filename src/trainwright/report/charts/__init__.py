"""Charts as SVG text: made to be read at 360 px, coloured by the page's theme."""
