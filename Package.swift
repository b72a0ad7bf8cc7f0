// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .enableUpcomingFeature("ImmutableWeakCaptures"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .treatWarning("DeprecatedDeclaration", as: .warning),
]

func target(
  _ name: String, _ dependencies: [Target.Dependency]
) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func testTarget(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let lifecycle = Target.Dependency.product(
  name: "ServiceLifecycle", package: "swift-service-lifecycle")

let package = Package(
  name: "domicile",
  products: [
    .library(name: "Domicile", targets: ["Domicile"]),
    .library(name: "DomicileTesting", targets: ["DomicileTesting"]),
    .executable(name: "domicile", targets: ["DomicileCLI"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    .target(name: "CDomicileSQLite", linkerSettings: [.linkedLibrary("sqlite3")]),
    target("DomicileSQLite", ["CDomicileSQLite"]),
    target("DomicilePolicy", [crypto, .product(name: "Yams", package: "Yams")]),
    target("DomicileStorage", ["DomicileSQLite", "DomicilePolicy"]),
    target("DomicileDirectory", ["DomicileStorage", "DomicileSQLite", "DomicilePolicy", crypto]),
    target("DomicileMigration", ["DomicileDirectory", "DomicileStorage"]),
    target(
      "Domicile",
      [
        "DomicileMigration", "DomicileDirectory", "DomicileStorage", "DomicilePolicy",
        "DomicileSQLite", log, metrics,
        lifecycle,
      ]),
    .executableTarget(
      name: "DomicileCLI",
      dependencies: [
        "Domicile",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "DomicileGettingStarted", dependencies: ["Domicile"], path: "Examples/GettingStarted",
      swiftSettings: settings),
    target(
      "DomicileTesting", ["Domicile", "DomicileStorage", "DomicileDirectory", "DomicilePolicy"]),
    .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
    // Linked into the tests of all targets, which are one program.
    .target(name: "CMutexOrder", path: "Tests/CMutexOrder"),
    testTarget(
      "DomicilePolicyTests",
      [
        "CAllocationCounter", "DomicilePolicy", "DomicileTesting",
        .product(name: "Yams", package: "Yams"),
      ]),
    testTarget(
      "DomicileSQLiteTests",
      [
        "CAllocationCounter", "CDomicileSQLite", "CMutexOrder", "DomicileSQLite",
        "DomicileTesting",
      ]),
    testTarget(
      "DomicileStorageTests",
      ["DomicilePolicy", "DomicileSQLite", "DomicileStorage", "DomicileTesting"]),
    testTarget(
      "DomicileDirectoryTests",
      [
        "DomicileDirectory", "DomicilePolicy", "DomicileSQLite", "DomicileStorage",
        "DomicileTesting",
      ]),
    testTarget("DomicileMigrationTests", ["DomicileMigration"]),
    testTarget(
      "DomicileTests",
      [
        "Domicile", "DomicileDirectory", "DomicileGettingStarted", "DomicileMigration",
        "DomicileSQLite",
        "DomicileTesting", log,
        .product(name: "InMemoryLogging", package: "swift-log"),
        .product(name: "MetricsTestKit", package: "swift-metrics"),
      ]),
    testTarget("DomicileCLITests", ["DomicileCLI", "Domicile", "DomicileTesting"]),
  ],
  swiftLanguageModes: [.v6]
)
