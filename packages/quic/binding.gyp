{
  "targets": [
    {
      "target_name": "udp_io",
      "conditions": [
        ["OS=='linux'", {
          "sources": ["native/udp_io.c"],
          "cflags": ["-O2", "-Wall", "-Wextra", "-Wno-cast-function-type", "-Wno-unused-parameter"]
        }]
      ]
    }
  ]
}
