"""What holds for all tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def no_user_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    """No test reads or fills the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDSTYLE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
