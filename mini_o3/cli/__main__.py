from mini_o3.cli import main

main()
