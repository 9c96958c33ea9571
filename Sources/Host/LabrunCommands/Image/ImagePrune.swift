import ArgumentParser
import NodeImage

/// `labrun image prune`: frees the space of images that nothing would boot any more.
public struct ImagePrune: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Remove images of earlier builds and what killed builds left.",
        discussion:
            "Keeps the images of the guest binaries at hand, the kernels they were made of, the control plane and the kubelet."
    )

    @Flag(name: .long, help: "Remove every image, kernel, control plane, kubelet and downloaded package.")
    public var all = false

    public init() {}

    public func run() async throws {
        let store = ImageStore()
        let result = try await store.prune(keeping: all ? [] : store.current(), everything: all)
        let count = result.images.count
        let disks = result.userlands.isEmpty ? "" : ", \(result.userlands.count) userland"
        let servers = result.controlPlanes.isEmpty ? "" : ", \(result.controlPlanes.count) control plane"
        let kubelets = result.kubeletDisks.isEmpty ? "" : ", \(result.kubeletDisks.count) kubelet"
        try StandardOutput.write(
            "removed \(count) image\(count == 1 ? "" : "s")\(disks)\(servers)\(kubelets), \(megabytes(result.bytes))")
    }
}
