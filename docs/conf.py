"""The guide's settings. ``make docs`` builds it; a warning fails the build."""

import sys
from pathlib import Path

import elman

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "extensions")]

project = "elman"
author = "the elman authors"
release = version = elman.__version__
html_title = f"elman {release}"
html_theme = "furo"
html_theme_options = {"light_css_variables": {"font-stack": "system-ui, sans-serif"}}
html_static_path = ["static"]
html_css_files = ["style.css"]
html_copy_source = False
html_show_copyright = False
html_math_renderer = "mathml"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "live",
    "mathml",
]
toc_object_entries_show_parents = "hide"
exclude_patterns = ["_build"]
nitpicky = True
pygments_style = "friendly"
pygments_dark_style = "monokai"

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]

# The scripts run at each build, so that their figures are this version's; an error fails the build.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": "/plot_",  # what is run; the others are shown
    "run_stale_examples": True,
    "capture_repr": (),
    "image_srcset": ["2x"],
    "thumbnail_size": (640, 448),
    "within_subsection_order": "FileNameSortKey",
    "default_thumb_file": str(Path(__file__).parent / "static" / "explanation.png"),
    "download_all_examples": False,
    "min_reported_time": 1e6,  # on a busy machine it says nothing about the script
    "show_signature": False,
    "write_computation_times": False,
}

autodoc_typehints = "none"  # the docstrings say it with shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False


def _skip(app, what, name, obj, skip, options):
    """Leave out what scikit-learn generates for metadata routing: it documents that itself."""
    routing = name == "get_metadata_routing" or (
        name.startswith("set_") and name.endswith("_request")
    )
    return True if routing else None


def setup(app):
    """Connect what autodoc asks for."""
    app.connect("autodoc-skip-member", _skip)
