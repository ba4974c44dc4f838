"""The rectifier is torch's, to the bit."""

from __future__ import annotations

import pytest
import torch

from vidstyle.nets.rectify import rectified


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("grad", [True, False])
def test_it_is_torchs(dtype: torch.dtype, grad: bool) -> None:
    values = [0.0, -0.0, 1.0, -1.0, 1e-7, -1e-7, 6e4, -6e4, float("inf"), float("-inf")]
    x = torch.cat([torch.tensor(values), torch.randn(500)]).to(dtype)
    x = x.view(1, 6, 1, 85).contiguous(memory_format=torch.channels_last)
    wanted = torch.relu(x)
    with torch.set_grad_enabled(grad):
        found = rectified(x.clone().requires_grad_(grad))
    torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_it_works_in_place_only_where_nobody_looks_back() -> None:
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    rectified(2 * x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 2]
    with torch.no_grad():
        y = torch.tensor([-1.0, 2.0])
        assert rectified(y) is y
