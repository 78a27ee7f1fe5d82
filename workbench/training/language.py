"""Language models by name or folder, and a folder that a server of models can read.

The unit is one model with its tokenizer, through transformers. A folder with one GGUF file will do
(package gguf): it is dequantised to fp32.
"""

from pathlib import Path
from typing import Any

from workbench.training.weights import WeightsError


def load_language_model(model: str | Path, *, sees: bool = False) -> tuple[Any, Any]:
    """Return tokenizer (of a model that sees: processor) and model, ready to write.

    Args:
        model: A folder, or a name on the Hugging Face hub.
        sees: Whether it is a model that takes pictures, too.

    Raises:
        WeightsError: If there is no such model, or a package is missing.
    """
    import transformers

    found = sorted(Path(model).glob("*.gguf"))
    more = {"gguf_file": found[0].name} if found else {}
    kind = "AutoModelForImageTextToText" if sees else "AutoModelForCausalLM"
    reader = transformers.AutoProcessor if sees else transformers.AutoTokenizer
    try:
        words = reader.from_pretrained(str(model), **more)
        network = getattr(transformers, kind).from_pretrained(str(model), **more)
    except (OSError, ValueError, ImportError, KeyError) as error:
        why = (str(error).splitlines() or ["?"])[0][:120]
        raise WeightsError(
            f"{model} is no model that can be loaded ({why})",
            "give the folder of one, or a name on the hub; a GGUF file needs: pip install gguf",
        ) from None
    return words, network.eval()


def save_language_model(model: str | Path, out: Path) -> Path:
    """Write a model, such as one in a GGUF file, as a folder that `transformers serve` reads.

    Raises:
        WeightsError: If it cannot be loaded.
    """
    words, network = load_language_model(model)
    # What was dequantised is not quantised any more; a server looks the class up by its name.
    for name in ("quantization_config", "_pre_quantization_dtype"):
        if hasattr(network.config, name):
            delattr(network.config, name)
    network.hf_quantizer, network.is_quantized = None, False
    network.config.architectures = [type(network).__name__]
    network.save_pretrained(out)
    words.save_pretrained(out)
    return out
