"""What runs import late, imported once for processes that are forks of one which imported it.

Nothing here may start threads.
"""

import nltk  # noqa: F401
import open_clip  # noqa: F401
import sklearn.cluster  # noqa: F401
import sklearn.metrics  # noqa: F401

import crash  # noqa: F401
import sortal.tasks.encoders.clip  # noqa: F401
