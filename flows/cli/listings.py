"""`sortal methods` and `sortal encoders`: what there is to choose from."""


def methods() -> None:
    """List the methods: each preset, its paper, what it needs and its switches."""
    from sortal.configs.presets import preset_lines

    for line in preset_lines():
        print(line)


def encoders() -> None:
    """List the encoders that work offline here, and how to get better ones."""
    from sortal.flows.terminal.run import show_encoders

    show_encoders()
