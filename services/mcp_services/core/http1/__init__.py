"""HTTP/1.1 in clear text to other services, over connections that are kept; llhttp parses what they answer.

Why not by a library: docs/adr/0016-own-http-client.md.
"""
