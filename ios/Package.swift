// swift-tools-version:5.9
import PackageDescription

let package = Package(
    name: "GodkendApp",
    defaultLocalization: "da",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [
        .library(name: "GodkendScreens", targets: ["GodkendScreens"]),
        .library(name: "GodkendPhone", targets: ["GodkendPhone"]),
        .library(name: "GodkendApp", targets: ["GodkendApp"]),
    ],
    targets: [
        // The Rust library as C, and its generated Swift: see ../bindings.
        .systemLibrary(name: "GodkendFFI"),
        .target(name: "Godkend", dependencies: ["GodkendFFI"], linkerSettings: [.linkedLibrary("godkend_ffi")]),
        // Keys in the Secure Enclave, App Attest, the keychain.
        .target(name: "GodkendPhone", dependencies: ["Godkend"]),
        // Texts and look, generated from ../bindings/screens.
        .target(name: "GodkendDesign", resources: [.process("Resources")]),
        // Every decision of every screen.
        .target(name: "GodkendScreens", dependencies: ["Godkend", "GodkendDesign"]),
        // Views without logic.
        .target(name: "GodkendApp", dependencies: ["Godkend", "GodkendDesign", "GodkendPhone", "GodkendScreens"]),
        // The app as a process of its own, which a test can kill.
        .executableTarget(
            name: "PhoneProcess", dependencies: ["GodkendScreens", "GodkendDesign", "Godkend"], path: "Tests/PhoneProcess"),
        .testTarget(
            name: "GodkendTests", dependencies: ["GodkendScreens", "GodkendPhone", "GodkendDesign", "Godkend"]),
    ]
)
