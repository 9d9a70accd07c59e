"""Layer-pipelined accelerators: a stage of hardware for each convolution, all busy at once.

`shape` says what a stage is and derives all that its parts need; see ``docs/pipeline.md``.
"""
