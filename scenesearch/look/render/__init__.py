"""A look as people see it: a picture (Pillow), a page (jinja2), a figure (matplotlib).

Everything here reads a :class:`~scenesearch.look.values.LookData` and changes nothing. A photo that
cannot be read is drawn as a placeholder, never an error: a moved file must not hide the rest of
the answer.
"""
