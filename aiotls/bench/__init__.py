"""Measuring: this package beside the other ways of speaking TLS from Python.

Client and server are two processes on the loopback interface, and what counts is the CPU time of
both. A machine is never quiet, so the stacks take turns, round by round, and only ratios within
one round are compared; what is shown is their median and how far they spread.
"""
