"""From a module to a graph that others run: dynamic axes stay dynamic, recurrent layers keep their lengths, refusals name the line.

`torch.export` unrolls a recurrent layer over the steps of its example, which fixes their number, and cannot trace packed sequences at all.
While a module is traced here these layers run on padded rows with lengths beside them: as one operator each, which ONNX has
(`recurrent="onnx"`), or by torch's own on rows that are reversed one by one (`recurrent="torch"`).
"""
