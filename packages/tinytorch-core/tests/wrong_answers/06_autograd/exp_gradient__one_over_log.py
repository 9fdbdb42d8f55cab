"""The slope of log is taken as 1 / log(x) instead of 1 / x."""


@gradient("log")
def log_gradient(g, call):
    return g / call.out
