/// What the API server's audit log holds: who asked for what, when, and how it was answered. Of objects it has only what
/// nodes say of themselves, of pods' states and of events, so no secret.
enum AuditPolicy {
    /// Questions for health and the heartbeats of nodes and leaders are left out: several in a second, they would push
    /// everything else out of a log of bounded size.
    ///
    /// A watch is logged when it comes. kube-apiserver 1.20 logs its start only when it has ended, too, so a watch that
    /// is open when the lab ends would be in no line. All other requests are logged when they are answered.
    static let text = """
        apiVersion: audit.k8s.io/v1
        kind: Policy
        rules:
        - level: None
          nonResourceURLs: ["/readyz*", "/livez*", "/healthz*"]
        - level: None
          verbs: [get, update, patch]
          resources:
          - group: coordination.k8s.io
            resources: [leases]
        - level: Metadata
          verbs: [watch]
        - level: Request
          omitStages: [RequestReceived]
          userGroups: ["system:nodes"]
          verbs: [create, update, patch]
          resources:
          - group: ""
            resources: [nodes/status, pods/status, events]
          - group: events.k8s.io
            resources: [events]
        - level: Metadata
          omitStages: [RequestReceived]

        """
}
