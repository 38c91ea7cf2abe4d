//! Inputs that nobody chose: configs, payloads and output of every shape. Each gets an answer, and none ends the worker
//! or touches another pod.

mod jobs;
mod outputs;
