public import KubeClient

extension KubeResource {
    public static let nodePools = KubeResource(
        group: "karpenter.sh", version: "v1", plural: "nodepools", isNamespaced: false)
    public static let nodeClaims = KubeResource(
        group: "karpenter.sh", version: "v1", plural: "nodeclaims", isNamespaced: false)
}
