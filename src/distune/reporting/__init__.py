"""The numbers of the analysis as Markdown, HTML and figures."""
