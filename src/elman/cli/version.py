"""What ``elman --version`` says: the release, and what its engine compiles for."""

from __future__ import annotations

import os
import platform

from elman import __version__

# Vector instructions, widest first, by LLVM's names: what people call them, and the bits of a register.
_VECTORS = {
    "avx512f": ("AVX-512", 512),
    "avx2": ("AVX2", 256),
    "avx": ("AVX", 256),
    "sse2": ("SSE2", 128),
    "neon": ("NEON", 128),
}


def version() -> str:
    """Return the line. Numba is not asked: importing it takes longer than all the rest."""
    python = f"Python {platform.python_version()}"
    try:
        return f"elman {__version__}, engine compiled for {_processor()}, {python}"
    except ImportError:  # who asks may be looking for just this
        return f"elman {__version__}, without llvmlite no engine is compiled, {python}"


def _processor() -> str:
    """Name the processor and its vectors: this machine's, or those that Numba's variables name."""
    from llvmlite import binding

    name = os.environ.get("NUMBA_CPU_NAME") or binding.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES", "" if name.lower() == "generic" else None)
    if features is None:
        features = binding.get_host_cpu_features().flatten()
    has = features.split(",")
    for feature, (vectors, bits) in _VECTORS.items():
        if f"+{feature}" in has:
            return f"{name} ({vectors}, {bits // 32} float32 lanes)"
    return str(name)
