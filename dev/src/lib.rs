//! The whole system on one machine: the engines that AWS and Telnyx are at home, and the load balancer's routing.

pub mod access;
pub mod contract;
pub mod data_dir;
pub mod engine;
pub mod engines;
pub mod ports;
pub mod program;
pub mod proxy;
pub mod queue;
pub mod seed;
pub mod serve;
pub mod standin;
pub mod wiretap;
pub mod world;
