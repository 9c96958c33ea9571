import ArgumentParser
import Foundation
import NodeImage
import Scenario

/// `labrun image build`: builds images, or finds them in the cache.
public struct ImageBuild: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "build", abstract: "Build the node image of one or more kernel series.",
        discussion: """
            Kernels are Debian's own cloud kernels, fetched by apt without root. An image that is in the cache is \
            not built again; nothing then goes over the network. Kubernetes' servers are compiled from Debian's own \
            source package, once, in some minutes.
            """)

    @Option(
        name: .long, parsing: .upToNextOption,
        help: ArgumentHelp("Kernel series, or 'all'.", valueName: "series"),
        completion: .list(KernelSeries.allCases.map(\.rawValue) + ["all"]))
    public var kernel: [String] = [KernelSeries.standard.rawValue]

    @Flag(name: .long, help: "Build the userland disk too, which labs whose pods run programs attach.")
    public var userland = false

    @Option(
        name: .long,
        help: ArgumentHelp("Build the userland disk with what an images.yaml adds.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    public var images: String?

    @Flag(name: .long, help: "Build the control plane's programs too, which labs that have one start.")
    public var controlPlane = false

    @Flag(name: .long, help: "Build the disk with Kubernetes' kubelet too, which labs with 'kubelet: real' attach.")
    public var kubelet = false

    @Flag(name: .long, help: "Ask the archive for a newer kernel of the series.")
    public var refresh = false

    public init() {}

    public func validate() throws {
        _ = try kernelSeries(kernel)
    }

    public func run() async throws {
        var store = ImageStore()
        store.keepsCompiledPackages = controlPlane && kubelet
        // Mistakes are told before minutes are spent.
        let added = try images.map { try UserImages.load($0) }
        for name in try kernelSeries(kernel).map(\.rawValue) {
            let (artifact, time) = try await timed {
                try await store.ensure(kernel: name, refresh: refresh) { step in
                    StandardError.write("\(name): \(step)")
                }
            }
            try StandardOutput.write(
                "\(name)  \(artifact.shortDigest)  \(artifact.kernelRelease)  \(megabytes(artifact.bytes))  \(time)")
        }
        if userland || added != nil { try await buildUserland(store, added) }
        if controlPlane { try await buildControlPlane(store) }
        if kubelet { try await buildKubeletDisk(store) }
    }

    private func buildControlPlane(_ store: ImageStore) async throws {
        let (programs, time) = try await timed {
            try await store.ensureControlPlane(refresh: refresh) { step in
                StandardError.write("control plane: \(step)")
            }
        }
        try StandardOutput.write(
            "control plane  \(programs.shortDigest)  Kubernetes \(programs.version)  \(megabytes(programs.bytes))  \(time)"
        )
    }

    private func buildKubeletDisk(_ store: ImageStore) async throws {
        let (disk, time) = try await timed {
            try await store.ensureKubeletDisk(refresh: refresh) { step in StandardError.write("kubelet: \(step)") }
        }
        try StandardOutput.write(
            "kubelet  \(disk.shortDigest)  Kubernetes \(disk.version)  \(megabytes(disk.bytes))  \(time)")
    }

    private func buildUserland(_ store: ImageStore, _ images: UserImages?) async throws {
        let (disk, time) = try await timed {
            try await UserlandChoice(images: images).disk(store, refresh: refresh) { step in
                StandardError.write("userland: \(step)")
            }
        }
        try StandardOutput.write(
            "userland  \(disk.shortDigest)  \(disk.packages.count) packages  \(megabytes(disk.bytes))  \(time)")
    }

    private func timed<Value>(_ body: () async throws -> Value) async throws -> (Value, String) {
        let clock = ContinuousClock()
        let start = clock.now
        let value = try await body()
        let milliseconds = (clock.now - start) / .milliseconds(1)
        return (
            value, milliseconds < 1000 ? "\(Int(milliseconds)) ms" : String(format: "%.1f s", milliseconds / 1000)
        )
    }
}
