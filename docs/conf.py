"""Sphinx configuration: builds without a network, and every picture is drawn during the build."""

import sys
from pathlib import Path

import ndconv

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "ndconv"
copyright = "2026, the ndconv developers"
author = "the ndconv developers"
release = ndconv.__version__
version = ".".join(release.split(".")[:2])

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "numpydoc",
    "matplotlib.sphinxext.plot_directive",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "methods",
]
exclude_patterns = ["_build"]
default_role = "py:obj"
highlight_language = "python"
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}

# The reference pages name each object themselves, so no stub files are generated into the source folder.
autosummary_generate = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

# Pictures: one script each in figures/, drawn with the engine's own results where it has any.
plot_formats = ["svg"]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_rcparams = {
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "svg.hashsalt": "ndconv",
}
plot_apply_rcparams = True

# The gallery runs its examples during the build, and an example that fails fails the build.
sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "run_stale_examples": True,  # the library may have changed where the example has not
    "reset_modules": ("matplotlib", "gallery.use_style"),
    "within_subsection_order": "gallery.ReadingOrder",
    "capture_repr": (),
    "thumbnail_size": (480, 200),
    "image_srcset": ["2x"],
    "remove_config_comments": True,
    "show_signature": False,
    "write_computation_times": False,
    "download_all_examples": False,
    "reference_url": {"ndconv": None},  # names of the package in the code lead to the reference
}

html_theme = "pydata_sphinx_theme"
html_title = "ndconv"
html_static_path = ["_static"]
html_css_files = ["ndconv.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "ndconv", "image_light": "_static/mark.svg", "image_dark": "_static/mark.svg"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
html_sidebars = {"gallery/index": [], "index": [], "install": [], "padding": [], "architecture": []}
html_favicon = "_static/mark.svg"
