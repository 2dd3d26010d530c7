"""From Python to machine code: functions of vectors, and how Numba compiles them.

``vectors`` are those of LLVM, and ``functions`` are tanh, exp and log of them. Kernels are written in
``tiles`` of vectors, ``elementwise`` operations and ``helpers``. A cell becomes two functions in
``pointwise``, a loss one in ``losses``. ``pipeline`` compiles them, ``compiling`` keeps them on disk,
and ``memory`` looks where they read and write, in checked mode.
"""
