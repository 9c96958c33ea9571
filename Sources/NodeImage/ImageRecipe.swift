/// What goes into a node image besides the guest binaries. Equal recipes and equal inputs give equal images.
public struct ImageRecipe: Sendable, Codable, Equatable {
    public let series: KernelSeries
    /// Modules that a node loads at boot, by name, in this order, each after what it depends on.
    /// A name that the kernel has built in is fine; one that it lacks fails the build.
    public let modules: [String]

    public init(series: KernelSeries, modules: [String] = ImageRecipe.standardModules) {
        self.series = series
        self.modules = modules
    }

    /// Counts up with every change to the layout of the image or to how the kernel is prepared.
    static let version = 2

    /// The link to the lab host comes first, so that a node that fails on a later module can still tell.
    public static let standardModules = [
        "virtio_pci", "virtio_console", "virtio_net",
        "veth", "vxlan", "geneve", "sch_ingress", "cls_bpf", "sch_netem", "sch_fq",
    ]
}
