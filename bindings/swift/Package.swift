// swift-tools-version: 5.9
// The package that `bindings/package xcframework` makes: the generated source over a binary target.
import PackageDescription

let package = Package(
    name: "Godkend",
    platforms: [.iOS(.v15)],
    products: [.library(name: "Godkend", targets: ["Godkend"])],
    targets: [
        .binaryTarget(name: "GodkendFFI", path: "GodkendFFI.xcframework"),
        .target(name: "Godkend", dependencies: ["GodkendFFI"]),
    ]
)
