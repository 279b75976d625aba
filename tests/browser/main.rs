//! The citizen's pages in a real Chromium, with the example bank before and after them.
//!
//! What a citizen sees is what is tested: the QR code is read from the browser's own screenshot, links and buttons are
//! clicked, texts are read as they are displayed. The phone is the client with software keys, as in the other stories.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod axe;
mod camera;
mod chip;
mod chrome;
mod scene;
mod webdriver;

mod access;
mod block;
mod combinations;
mod keyboard;
mod keyboard_pages;
mod languages;
mod letter;
mod light;
mod login;
mod means;
mod other_ways;
mod page;
mod payment;
mod screens;
mod scriptless;
mod self_service;
mod self_service_access;
mod time;
