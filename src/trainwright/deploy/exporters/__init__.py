"""Formats that a trained model is exported to. A domain brings its own as parts of the kind `exporter`."""

from __future__ import annotations

from trainwright.config.part import Part

HERE = "trainwright.deploy.exporters"

PARTS = {
    "aoti": Part(
        f"{HERE}.aoti:AotiExporter", f"{HERE}.options:AotiOptions", "a library compiled for this processor and this torch; it is code"
    ),
    "fx_folder": Part(
        f"{HERE}.fx_folder:FxFolderExporter", f"{HERE}.options:FxFolderOptions", "the operations as readable Python, with weights"
    ),
    "onnx": Part(f"{HERE}.onnx_exporter:OnnxExporter", f"{HERE}.options:OnnxOptions", "one file that takes rows as they are"),
    "pt2": Part(f"{HERE}.pt2:Pt2Exporter", f"{HERE}.options:Pt2Options", "a program of torch.export, which torch alone loads"),
    "safetensors": Part(
        f"{HERE}.safetensors_folder:SafetensorsExporter", f"{HERE}.options:SafetensorsOptions", "the model as it is, for Trainwright"
    ),
    "torchscript": Part(
        f"{HERE}.torchscript:TorchScriptExporter", f"{HERE}.options:TorchScriptOptions", "a trace for older C++; it is code"
    ),
}
