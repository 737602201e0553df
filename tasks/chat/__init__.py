"""Chat: asking a server that speaks OpenAI's chat completions, which may be slow, odd or down.

`credentials.py` is where it is, `endpoint.py` how it is asked, `answer.py` what it says.
"""
