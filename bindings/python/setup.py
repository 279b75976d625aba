"""A wheel for one platform and every Python: its library is loaded with ctypes and knows no Python version."""

import os

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel


class Wheel(bdist_wheel):
    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


# `bindings/package` reads it from the workspace.
setup(version=os.environ["GODKEND_VERSION"], cmdclass={"bdist_wheel": Wheel})
