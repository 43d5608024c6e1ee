# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Unit tests in Python that say what they did as those in C do, so that tests/run.sh counts them."""
import os
import sys
import unittest

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Result(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        print(f"[ RUN      ] {test._testMethodName}")

    def addSuccess(self, test):
        super().addSuccess(test)
        print(f"[       OK ] {test._testMethodName}")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"{reason}\n[  SKIPPED ] {test._testMethodName}")

    def failed(self, test, error):
        print(f"{self._exc_info_to_string(error, test)}\n[  FAILED  ] {test._testMethodName}")

    def addError(self, test, err):
        super().addError(test, err)
        self.failed(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.failed(test, err)


def run(module):
    """Every test of a module; leaves with 1 if one failed."""
    result = Result()
    unittest.defaultTestLoader.loadTestsFromModule(sys.modules[module]).run(result)
    good = result.testsRun - len(result.failures) - len(result.errors) - len(result.skipped)
    print(f"[  PASSED  ] {good} test(s).")
    sys.exit(not result.wasSuccessful())
