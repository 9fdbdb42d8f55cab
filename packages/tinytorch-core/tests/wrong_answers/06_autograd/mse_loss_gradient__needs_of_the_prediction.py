"""The target receives a gradient where the prediction wants one."""


@gradient("mse_loss")
def mse_loss_gradient(g: Array, call: Record) -> Any:
    prediction, target = call.arrays
    dprediction = 2 * (prediction - target) * share_of_each(g, call, prediction.size)
    return dprediction, -dprediction if call.needs[0] else None
