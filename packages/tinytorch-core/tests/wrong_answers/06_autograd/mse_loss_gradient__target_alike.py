"""The target receives the same gradient as the prediction."""


@gradient("mse_loss")
def mse_loss_gradient(g, call):
    prediction, target = call.arrays
    dprediction = 2 * (prediction - target) * share_of_each(g, call, prediction.size)
    return dprediction, dprediction if call.needs[1] else None
