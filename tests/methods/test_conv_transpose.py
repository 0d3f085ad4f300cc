import torch

from cu.engine.predict import accuracy
from cu.methods.conv_transpose import ConvTranspose, transposed
from cu.methods.finetune import FineTune


def test_every_entry_of_a_kernel_changes_places_with_its_mirror_image(original):
    before, after = original.encoder[0].weight, transposed(original).encoder[0].weight
    for out in range(8):
        for row in range(3):
            for column in range(3):
                assert after[out, 0, row, column] == before[out, 0, column, row]
    assert torch.equal(transposed(transposed(original)).encoder[0].weight, before)


def test_a_transposed_convolution_sees_transposed_images(original, toy_data):
    images = toy_data.test.eval_view(torch.arange(6))
    seen = transposed(original).encoder[0](images.transpose(2, 3))
    torch.testing.assert_close(seen, original.encoder[0](images).transpose(2, 3))


def test_kernels_that_are_not_square_stay(original):
    original.encoder[0] = torch.nn.Conv2d(1, 8, (3, 1), padding=(1, 0))
    assert torch.equal(transposed(original).encoder[0].weight, original.encoder[0].weight)


def test_it_is_fine_tuning_from_there(original, toy_tasks, make_run, make_recipe, same_weights, hardware):
    recipe, task = make_recipe(lr=0.1, epochs=5), toy_tasks["class"]
    model = ConvTranspose(recipe=recipe).unlearn(original, task, make_run())
    assert same_weights(model, FineTune(recipe=recipe).unlearn(transposed(original), task, make_run()))
    assert accuracy(model, task.retain, hardware) > 0.9
