"""How Sphinx makes the pages: `sphinx-build -W docs build/docs`. No link may lead nowhere."""

project = "softcheck"
extensions = ["myst_parser"]
myst_heading_anchors = 2
nitpicky = True
highlight_language = "none"
html_theme = "alabaster"
html_theme_options = {"description": "verify gradients at a softmax", "page_width": "70em"}
