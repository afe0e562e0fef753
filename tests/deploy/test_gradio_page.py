"""`--gradio`: a page of Gradio for who has it, and clear words for who has not. Gradio itself is in no environment of the tests."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from trainwright.config.errors import RequestError
from trainwright.deploy.server.gradio_page import require_gradio


@pytest.mark.skipif(find_spec("gradio") is not None, reason="gradio is installed here")
def test_without_gradio_it_is_said_how_to_have_it() -> None:
    with pytest.raises(RequestError, match="gradio is not installed") as refused:
        require_gradio()
    assert "pip install 'trainwright[serve]' gradio" in refused.value.fix


def test_a_token_and_a_page_that_sends_none_are_refused_together() -> None:
    with pytest.raises(RequestError, match="sends no token"):
        require_gradio("a-token-that-is-long-enough")
