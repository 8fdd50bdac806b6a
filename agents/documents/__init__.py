"""Documents that run: what Markdown quotes is compared with what is really there.

A page is read once into quoted command lines, names, links and headings; each kind has a module
that judges it. Nothing a page quotes is ever executed.
"""

from agents.documents.check import Report, check_pages, find_pages
from agents.documents.findings import Finding
from agents.documents.project import Project

__all__ = ["Finding", "Project", "Report", "check_pages", "find_pages"]
